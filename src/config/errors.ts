/** What can go wrong outside `check`, where mistakes are values (`Problem`). */
export type ConfigErrorCode =
  | 'ERR_CONFIG_SECRET_ENV_UNSET'
  | 'ERR_CONFIG_SECRET_FILE'
  | 'ERR_CONFIG_SECRET_NOT_STORED'
  | 'ERR_CONFIG_SECRET_EMPTY'
  | 'ERR_CONFIG_FOLDER_IN_USE'
  | 'ERR_CONFIG_LABELS_NOT_EDITED';

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code: ConfigErrorCode;

  constructor(code: ConfigErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
