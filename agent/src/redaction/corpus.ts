/** Lines as they occur, for the test: what must be gone from each, and lines that must stay as they are. */

/** Each line with the texts that identify somebody. All of these people are invented. */
export const identifying: readonly { line: string; secrets: readonly string[] }[] = [
  { line: 'C-STORE of DOE^JOHN^^DR failed', secrets: ['DOE', 'JOHN'] },
  { line: 'loaded Müller^Anna-Lena', secrets: ['Müller', 'Anna'] },
  { line: 'opened study of Van der Berg^Piet', secrets: ['Berg', 'Piet'] },
  { line: 'ideographic Yamada^Tarou=山田^太郎', secrets: ['Yamada', 'Tarou', '山田', '太郎'] },
  { line: 'PatientName=John Doe, modality=MR', secrets: ['John', 'Doe'] },
  { line: 'patient_id=4711-22 study opened', secrets: ['4711'] },
  { line: 'patientId: A12345; next', secrets: ['A12345'] },
  { line: '{"patientName":"Jane Roe","room":"3"}', secrets: ['Jane', 'Roe'] },
  { line: '{"PatientBirthDate": "1957-03-12"}', secrets: ['1957'] },
  { line: "patient.name='Jane Roe' loaded", secrets: ['Jane', 'Roe'] },
  { line: 'mrn=00123456 matched', secrets: ['00123456'] },
  { line: 'MRN: 99-887, ward 4', secrets: ['99-887'] },
  { line: 'dob=12.03.1957', secrets: ['1957'] },
  { line: 'date_of_birth: 3/12/1957', secrets: ['1957'] },
  { line: 'born 1957-03-12 in the record', secrets: ['1957-03-12'] },
  { line: 'value 19570312 rejected', secrets: ['19570312'] },
  { line: 'patient John Doe is on the table', secrets: ['John', 'Doe'] },
  { line: 'no map for patient Smith, J.', secrets: ['Smith'] },
  { line: 'patient 471122 not found', secrets: ['471122'] },
  { line: '(0010,0010) PN [DOE^JOHN] # 8, 1 PatientName', secrets: ['DOE', 'JOHN'] },
  { line: '(0010,0030) DA [19570312]', secrets: ['19570312'] },
  { line: 'instance 1.3.6.1.4.1.14519.5.2.1.7009.9004.1 stored', secrets: ['14519', '9004'] },
  { line: 'AccessionNumber=ACC-2231, done', secrets: ['ACC-2231'] },
  { line: 'ssn=078-05-1120', secrets: ['078-05-1120'] },
  { line: 'HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0', secrets: ['c2VjcmV0'] },
  { line: 'authorization: Bearer abc.def-123', secrets: ['abc.def'] },
  { line: 'GET https://b.example/o?sv=1&sig=aBc%3D failed', secrets: ['aBc'] },
];

/** What people need in order to find a fault. */
export const harmless: readonly string[] = [
  'the link to the hub is open',
  'state READY -> INTRANSIT_PATCH after 120 ms',
  'Windows 10.0.26100.2314, agent 0.4.1+build.7',
  'connected to 192.168.10.22:8883 in 35 ms',
  'next attempt at 2026-11-23T18:24:13.123Z',
  'written at 2026-11-23 18:24:13',
  'object 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 is complete',
  'transfer 7d1f3a52-9a55-4a4e-8f0a-6f0f3f6b2a10: 150000 of 300000 bytes',
  'transfer syntax 1.2.840.10008.1.2.4.90 is not supported',
  'exit code 3 of /opt/carto/bin/check after 5.2 s',
  'carto.mapping: 1024 points, cycle length 230 ms',
  'the patient table moved to position 3',
];
