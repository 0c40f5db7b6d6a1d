/**
 * A service that sends numbered commands to one device, one after the other, and prints each number once it is acknowledged. It is
 * a process of its own, because azure-iothub 1.16.6 may end its process when a connection breaks under a send: it makes an
 * error its own cause, and overflows the stack when it wants to print it.
 */
import common from 'azure-iot-common';
import iothub from 'azure-iothub';

const [connectionString = '', deviceId = '', first = '0'] = process.argv.slice(2);

function connect(): iothub.Client {
  const client = iothub.Client.fromConnectionString(connectionString);
  client.setRetryPolicy(new common.NoRetry());
  return client;
}

let client = connect();
for (let number = Number(first); ; ) {
  try {
    await client.send(deviceId, new common.Message(String(number)));
    process.stdout.write(`${number}\n`);
    number += 1;
  } catch {
    // Nobody knows whether it arrived: the same number again, from a new client, since the old one may be stuck.
    await new Promise((resolve) => setTimeout(resolve, 20));
    client = connect();
  }
}
