// Fails unless the converter starts and says the version that it is given. dcm2niix exits with 3 after saying its version.
const [expected] = argv._;
const said = await $({ nothrow: true })`${process.env.HOST_APPLICATION_ROOT}/bin/dcm2niix --version`;
if (said.exitCode !== 3)
  throw new Error(`dcm2niix did not start: ${said.signal ?? `exit code ${said.exitCode}`}`);
const version = said.stdout.trim().split('\n').at(-1);
if (version !== expected) throw new Error(`dcm2niix is ${version}, not ${expected}`);
echo(`dcm2niix is ${version}`);
