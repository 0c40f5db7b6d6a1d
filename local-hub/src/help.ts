/** What `iotdh-local-hub --help` prints. */
import { defaultAmqpPort, defaultAzuritePort, defaultPort } from './settings.ts';

export const help = `An IoT Hub on your laptop, for Microsoft's own SDKs.

Usage
  iotdh-local-hub [options]                  start the hub and print its connection strings
  iotdh-local-hub certificate <deviceId>     make a client certificate for a device, signed by the hub's authority

Options
  --data-dir <folder>       where everything is kept (default ./.local-hub)
  --port <number>           TLS port for MQTT, AMQP, HTTPS and WebSocket; may be repeated (default ${defaultPort})
  --amqp-port <number|off>  plain AMQP port for Event Hubs clients, loopback only (default ${defaultAmqpPort})
  --address <address>       address to bind (default localhost: 127.0.0.1 and ::1)
  --host-name <name>        another name that clients use, added to the certificate; may be repeated;
                            the first one appears in the connection strings
  --sku <S1|S2|S3|F1|off>   whose limits and throttles apply (default S1)
  --units <number>          units of that SKU (default 1)
  --partitions <number>     partitions of the Event Hubs endpoint, fixed at the first start (default 4)
  --consumer-group <name>   a consumer group beside $Default; may be repeated
  --storage <what>          for file uploads: azurite (port ${defaultAzuritePort}), azurite:PORT, a connection string, or none (default)
  --in-memory               keep only the certificates and the admin token on disk
  --device <id>             register this device at start if it is not yet, and print its connection string;
                            may be repeated (default: device-1 when there is no device at all)
  --out <folder>            where "certificate" writes its files (default .)
  --json                    print connection strings and log as JSON, one object per line
  --version, --help

Each option can also be set in the environment: --data-dir as IOTDH_LOCAL_HUB_DATA_DIR, several values with commas.
`;
