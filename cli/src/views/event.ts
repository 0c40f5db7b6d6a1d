/** One line for each thing that happens in the fleet. */
import { Event } from '@iotdh/proto/agent/v1';
import { AssignmentState, Connectivity, type FleetEvent, PackState } from '@iotdh/proto/fleet/v1';
import { enumText, oneLine, timeText } from '../output/words.ts';
import { resultText } from './assignment.ts';
import { stateText } from './device.ts';

export function eventText(event: FleetEvent): string {
  return oneLine(`${timeText(event.time).slice(11)}  ${event.deviceId || '-'}  ${whatHappened(event)}`);
}

function whatHappened({ kind }: FleetEvent): string {
  switch (kind.case) {
    case 'device':
      return kind.value.retireTime === undefined
        ? enumText(Connectivity, kind.value.connectivity)
        : 'retired';
    case 'stateChanged': {
      const { from, to, event, reason } = kind.value;
      const because = reason === '' ? '' : `: ${reason}`;
      return `${stateText(from)} → ${stateText(to)} (${enumText(Event, event)})${because}`;
    }
    case 'assignment': {
      const { assignmentId, state, progress, result } = kind.value;
      const received =
        progress === undefined || progress.totalBytes === 0n
          ? ''
          : ` ${(progress.receivedBytes * 100n) / progress.totalBytes} %`;
      const how = result === undefined ? '' : `, ${resultText(result)}`;
      return `assignment ${assignmentId} ${enumText(AssignmentState, state)}${received}${how}`;
    }
    case 'pack':
      return `pack ${kind.value.manifest?.name}@${kind.value.manifest?.version} ${enumText(PackState, kind.value.state)}`;
    case 'consent': {
      const { person, decision } = kind.value;
      const words = { confirm: 'confirmed', postponedUntil: 'postponed', decline: 'declined' } as const;
      const what = decision.case === undefined ? 'decided on' : words[decision.case];
      return `${person?.name} ${what} the update`;
    }
    case undefined:
      return 'something that this version does not know';
  }
}
