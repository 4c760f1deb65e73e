/** Who exists in the demo. The identity provider logs them in with any password: it is a toy, the gateway is not. */
export interface Account {
  readonly subject: string;
  readonly email: string;
  readonly groups: readonly string[];
  readonly kind: 'person' | 'service';
  readonly role: string;
}

export const alice: Account = {
  subject: 'alice',
  email: 'alice@example.com',
  groups: ['analysts'],
  kind: 'person',
  role: 'analyst',
};

export const bob: Account = {
  subject: 'bob',
  email: 'bob@example.com',
  groups: ['data-owners', 'stewards', 'auditors'],
  kind: 'person',
  role: 'data owner',
};

export const reportJob: Account = {
  subject: 'report-job',
  email: 'report-job',
  groups: ['analysts'],
  kind: 'service',
  role: 'service account',
};

export const accounts: ReadonlyMap<string, Account> = new Map(
  [alice, bob, reportJob].map((account) => [account.subject, account]),
);
