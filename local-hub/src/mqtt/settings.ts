/** What can be set about the MQTT front-end. */

export type MqttSettings = {
  /** The largest packet a client may send, bytes: IoT Hub's 256 KiB of message and the longest topic. */
  maxPacketBytes: number;
  /** Cloud-to-device messages that may wait for their PUBACK on one connection. IoT Hub's own number is not published. */
  deliveryWindow: number;
  /** Topic filters per session; IoT Hub allows 5. */
  maxSubscriptions: number;
  /** The longest silence of a client whatever its keep-alive, ms; IoT Hub's is 29.45 min. */
  maxKeepAliveMs: number;
  /** How long a new connection may take to send its CONNECT, ms. */
  handshakeTimeoutMs: number;
  /** How long a client may take to leave a connection that was ended, ms. */
  leaveTimeoutMs: number;
  /** Reading stops while this much of a client's messages is not durable yet. */
  maxUnsettledBytes: number;
  maxUnsettledCount: number;
  /** Reading and delivering stop while this many bytes wait for the client to take them. */
  maxUnsentBytes: number;
};

const longestTopicBytes = 65_535;
/** Fixed header, topic length and packet identifier. */
const framingBytes = 5 + 2 + 2;

export const defaultMqttSettings: Readonly<MqttSettings> = Object.freeze({
  maxPacketBytes: 256 * 1024 + longestTopicBytes + framingBytes,
  deliveryWindow: 50,
  maxSubscriptions: 5,
  maxKeepAliveMs: 1_767_000,
  handshakeTimeoutMs: 30_000,
  leaveTimeoutMs: 5_000,
  maxUnsettledBytes: 4 * 1024 * 1024,
  maxUnsettledCount: 2_000,
  maxUnsentBytes: 1024 * 1024,
});
