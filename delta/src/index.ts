/** The segmented delta: `produceDelta` makes one, `applyDelta` applies it. The format is in README.md. */
export * from './apply.ts';
export { createLandmarkScanner, type LandmarkScanner } from './match/landmarks.ts';
export { createProducer, type ProduceOptions, type Producer, produceDelta } from './produce.ts';
