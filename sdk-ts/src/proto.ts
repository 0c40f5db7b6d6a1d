/**
 * The generated contract, for those who need more than the façade. The one place that reaches into `gen/ts`: by a relative
 * path, so that the build compiles the generated files into the published package, which thus depends on nothing private.
 */
export * from '../../gen/ts/iotdh/agent/v1/index.ts';
export { UpdateKind } from '../../gen/ts/iotdh/update/v1/kind_pb.ts';
