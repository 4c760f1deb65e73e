export type DemoErrorCode =
  | 'ERR_DEMO_PACKAGE_MISSING'
  | 'ERR_DEMO_PORT_TAKEN'
  | 'ERR_DEMO_STATE_FOLDER'
  | 'ERR_DEMO_DATABASE'
  | 'ERR_DEMO_UNSUPPORTED';

/** Why the demo cannot start; the message says what to do. */
export class DemoError extends Error {
  readonly code: DemoErrorCode;

  constructor(code: DemoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DemoError';
    this.code = code;
  }
}

/** The demo's own packages are no dependencies of the gateway: whoever installed it from the registry may not have them. */
export async function importOptional<Module>(name: string): Promise<Module> {
  try {
    return (await import(name)) as Module;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new DemoError(
      'ERR_DEMO_PACKAGE_MISSING',
      `the demo needs the package ${name}, which is not installed. From a clone of the repository, npm run demo brings everything; or: npm install ${name}`,
      { cause },
    );
  }
}
