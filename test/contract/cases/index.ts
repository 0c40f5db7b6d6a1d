/** Every golden case that is written down by hand, package by package. */
import { agentCases } from './agent.ts';
import { agentServiceCases } from './agent-service.ts';
import { brokerCases } from './broker.ts';
import { busCases } from './bus.ts';
import type { MessageCases } from './cases.ts';
import { dicomCases } from './dicom.ts';
import { fleetCases } from './fleet.ts';
import { fleetAuditCases } from './fleet-audit.ts';
import { fleetPackCases } from './fleet-packs.ts';
import { fleetQuotaCases } from './fleet-quota.ts';
import { fleetTrustCases } from './fleet-trust.ts';
import { hostCases } from './host.ts';
import { manifestCases } from './manifest.ts';
import { updateCases } from './update.ts';

export type { InvalidCase, MessageCases } from './cases.ts';

export const allCases: readonly MessageCases[] = [
  ...agentCases,
  ...agentServiceCases,
  ...brokerCases,
  ...busCases,
  ...dicomCases,
  ...fleetCases,
  ...fleetAuditCases,
  ...fleetPackCases,
  ...fleetQuotaCases,
  ...fleetTrustCases,
  ...hostCases,
  ...manifestCases,
  ...updateCases,
];
