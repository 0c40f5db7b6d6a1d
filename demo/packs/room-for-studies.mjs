// Fails unless the disk has room for as many studies as it is given, at 2 MB each in this demo.
const studies = Number(argv._[0]);
const { bavail, bsize } = await fs.promises.statfs(os.homedir());
const free = Math.floor((bavail * bsize) / 2e6);
if (free < studies) throw new Error(`there is room for ${free} studies, and ${studies} are needed`);
echo(`room for ${free} studies`);
