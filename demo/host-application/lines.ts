/** What goes between the demo and its host application, as one JSON text a line: the demo is the room around it. */
import type { Sight } from './room.ts';

/** From the host application: something to see, or a question with the text that the person reads. */
export type FromHostApplication =
  | { kind: 'question'; question: Question }
  | { kind: 'question_lapsed' }
  | Sight;

export type Question = {
  update: 'patch' | 'base';
  name: string;
  version: string;
  title: string;
  summary: string;
  changes: string[];
  restartsMachine: boolean;
};

/** To the host application: what people at the workstation do. */
export type ToHostApplication =
  | { kind: 'begin_examination' }
  | { kind: 'end_examination' }
  | { kind: 'answer'; answer: 'confirm' | 'decline' | 'later' };
