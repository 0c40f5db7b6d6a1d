/** The segmented delta: `produceDelta` makes one, `applyDelta` applies it. The format is in README.md. */
export * from './apply.ts';
export { createProducer, type ProduceOptions, type Producer, produceDelta } from './produce.ts';
