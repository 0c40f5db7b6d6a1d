/** What `iotdh-agent --help` prints. */
export const help = `iotdh-agent: keeps this workstation up to date, without ever disturbing a procedure

  iotdh-agent [--config FILE] [--data-dir DIR]
  iotdh-agent import FOLDER        take the update of a bundle, such as one on a stick, into the agent that runs
  iotdh-agent --print-settings     check the settings and print them, without secrets
  iotdh-agent --version | --help

Settings come from the file (default /etc/iotdh-agent/config.json), then from the environment:
  IOTDH_AGENT_CONFIG, IOTDH_AGENT_DATA_DIR, IOTDH_AGENT_MODEL, IOTDH_AGENT_MIN_LOG_LEVEL
  IOTDH_AGENT_SOCKET (a path, or off), IOTDH_AGENT_SOCKET_MODE (0600 or 0660)
  IOTDH_AGENT_LOOPBACK_PORT, IOTDH_AGENT_TOKEN_FILE
  IOTDH_AGENT_HUB_CA_FILE, IOTDH_AGENT_CONNECTION_STRING_FILE
  IOTDH_AGENT_TRUST_ROOT_FILE
  IOTDH_AGENT_BROKER_URL, IOTDH_AGENT_ENROLMENT_TOKEN_FILE, IOTDH_AGENT_BROKER_CA_FILE
  IOTDH_AGENT_BLOB_CA_FILE
Secrets are read from files only. The README beside the agent describes the file.

It ends with 0 after SIGTERM or SIGINT, with 2 when the settings will not do, with 1 when it cannot go on.
`;
