/** Ends with 0 if the agent answers on its socket within 3 s, for the image's health check. */
import net from 'node:net';

const socket = net.connect({ path: process.env.IOTDH_AGENT_SOCKET ?? '/run/iotdh-agent/agent.sock' });
socket.setTimeout(3000, () => process.exit(1));
socket.once('error', () => process.exit(1));
socket.once('connect', () => process.exit(0));
