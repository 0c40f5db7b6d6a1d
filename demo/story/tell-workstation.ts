/** What is to be seen on the screen of the workstation, as lines of the demo. */
import type { FromHostApplication, Question } from '../host-application/lines.ts';
import type { Screen } from './screen.ts';

/** A question is not told here: it is asked. */
export function createWorkstationTeller(screen: Screen): (line: FromHostApplication) => void {
  const tell = (text: string) => screen.event('workstation', text);
  let running = '';
  return (line) => {
    switch (line.kind) {
      case 'runs': {
        // It says so at each start, and once more when an update is over.
        const runs = `runs ${line.product} ${line.version}`;
        if (runs !== running) tell(runs);
        running = runs;
        break;
      }
      case 'examination':
        tell(line.running ? 'an examination begins' : 'the examination is over');
        break;
      case 'change': {
        const { from, to, event, reason } = line.change;
        if (from.startsWith('INTRANSIT')) screen.bar.end();
        tell(`${from} → ${to}   ${event}${reason === '' ? '' : `: ${reason}`}`);
        break;
      }
      case 'progress':
        screen.bar.draw(line.progress.receivedBytes, line.progress.totalBytes);
        break;
      case 'answered':
        screen.event('person', `${line.person} says: ${line.answer}`);
        break;
      case 'question_lapsed':
      case 'question':
        break;
      case 'trouble':
        tell(`trouble: ${line.message}`);
    }
  };
}

/** What the person reads before deciding. */
export function showQuestion(screen: Screen, { title, summary, changes, restartsMachine }: Question): void {
  const lines = [title, ...summary.trim().split('\n'), ...changes.map((change) => `• ${change}`)];
  if (restartsMachine) lines.push('The workstation starts anew.');
  screen.say();
  for (const line of lines) screen.say(`│ ${line}`);
  screen.say();
}
