const segment = encodeURIComponent;

/** Where everything is, for programs that call the API. */
export const paths = {
  login: () => '/v1/login',
  /** https://www.rfc-editor.org/rfc/rfc9728#section-3 */
  protectedResource: () => '/.well-known/oauth-protected-resource',
  whoami: () => '/v1/whoami',
  connections: () => '/v1/connections',
  labels: (connection: string) => `/v1/connections/${segment(connection)}/labels`,
  refreshLabels: (connection: string) => `/v1/connections/${segment(connection)}/labels/refresh`,
  writtenLabels: (connection: string) => `/v1/connections/${segment(connection)}/labels/written`,
  catalog: (connection: string) => `/v1/connections/${segment(connection)}/catalog`,
  explain: (connection: string) => `/v1/connections/${segment(connection)}/explain`,
  credentials: () => '/v1/credentials',
  credential: (id: string) => `/v1/credentials/${segment(id)}`,
  sessions: () => '/v1/sessions',
  session: (id: string) => `/v1/sessions/${segment(id)}`,
  statements: (session: string) => `/v1/sessions/${segment(session)}/statements`,
  requests: () => '/v1/requests',
  request: (id: string) => `/v1/requests/${segment(id)}`,
  approve: (id: string) => `/v1/requests/${segment(id)}/approve`,
  deny: (id: string) => `/v1/requests/${segment(id)}/deny`,
  cancel: (id: string) => `/v1/requests/${segment(id)}/cancel`,
  revoke: (id: string) => `/v1/requests/${segment(id)}/revoke`,
  pseudonyms: () => '/v1/pseudonyms',
  rotatePseudonyms: () => '/v1/pseudonyms/rotate',
  policy: () => '/v1/policy',
  ledger: () => '/v1/ledger',
  /** `path` as in C2SP tlog-tiles: `checkpoint`, `tile/0/x001/067`, `tile/entries/000.p/5` … */
  ledgerFile: (path: string) => `/v1/ledger/${path}`,
  health: () => '/healthz',
  readiness: () => '/readyz',
  metrics: () => '/metrics',
  openapi: () => '/openapi.json',
} as const;
