import type { TaxonomyLabel } from '../../model/label.ts';
import type { MaskKind } from '../../model/mask.ts';

const NULL: MaskKind = { kind: 'null' };
const REDACT: MaskKind = { kind: 'redact' };
const PSEUDONYM: MaskKind = { kind: 'pseudonym' };
const last = (count: number): MaskKind => ({ kind: 'partial', keepLast: count });

const personal = { rule: 'GDPR: personal data', retention: 'gdpr-90d' } as const;
const special = { level: 'restricted', rule: 'GDPR Art. 9', mask: NULL, retention: 'gdpr-90d' } as const;
const card = { level: 'restricted', retention: 'pci-12m' } as const;
const secret = { level: 'restricted', rule: 'ISO 27001 A.5.17', mask: NULL } as const;

/**
 * The labels that are shipped. A category (`pii`, `pii.contact`) is what labels have in common; a label may be refined by further words
 * (`phi.diagnosis`, `pii.contact.email.private`), which then mean that label too.
 */
export const TAXONOMY: readonly TaxonomyLabel[] = [
  {
    ...personal,
    label: 'pii.name',
    description: 'Name of a person',
    level: 'confidential',
    mask: { kind: 'partial', keepFirst: 1 },
  },
  {
    ...personal,
    label: 'pii.contact.email',
    description: 'E-mail address',
    level: 'confidential',
    mask: { kind: 'partial' },
    validators: ['email'],
  },
  {
    ...personal,
    label: 'pii.contact.phone',
    description: 'Telephone number',
    level: 'confidential',
    mask: last(2),
    validators: ['phone'],
  },
  {
    ...personal,
    label: 'pii.contact.address',
    description: 'Postal address, or its street',
    level: 'confidential',
    mask: REDACT,
  },
  {
    label: 'pii.gov-id',
    description: 'Number that a state gave to a person: identity, social security, tax, passport',
    level: 'restricted',
    rule: 'GDPR Art. 87; HIPAA identifier',
    mask: NULL,
    retention: 'gdpr-90d',
    validators: ['national-id'],
  },
  {
    ...personal,
    label: 'pii.birth',
    description: 'Date of birth, or age',
    level: 'confidential',
    mask: { kind: 'generalise', to: 'year' },
  },
  {
    ...personal,
    label: 'pii.online',
    description: 'IP address, cookie, device or advertising id',
    level: 'internal',
    mask: PSEUDONYM,
  },
  {
    ...personal,
    label: 'pii.location',
    description: 'Where a person is or was: latitude, longitude',
    level: 'confidential',
    mask: { kind: 'generalise', to: { band: 0.01 } },
  },
  {
    label: 'pii.quasi',
    description: 'Tells who somebody is only together with others: postcode, gender, job',
    level: 'internal',
    rule: 'risk of re-identification',
    retention: 'gdpr-90d',
  },
  { ...special, label: 'pii.special.health', description: 'Health' },
  { ...special, label: 'pii.special.biometric', description: 'Biometric data' },
  { ...special, label: 'pii.special.genetic', description: 'Genetic data' },
  { ...special, label: 'pii.special.belief', description: 'Religious, philosophical or political belief' },
  { ...special, label: 'pii.special.union', description: 'Membership of a trade union' },
  { ...special, label: 'pii.special.ethnic', description: 'Ethnic origin' },
  { ...special, label: 'pii.special.sexlife', description: 'Sex life and orientation' },
  { ...special, label: 'pii.criminal', description: 'Convictions and offences', rule: 'GDPR Art. 10' },
  { ...special, label: 'pii.child', description: 'Data of children, or that somebody is one', rule: 'GDPR Art. 8' },
  {
    label: 'phi',
    description: 'Health care: record number, diagnosis, claim',
    level: 'restricted',
    rule: 'HIPAA: the 18 identifiers',
    mask: NULL,
    retention: 'hipaa-6y',
  },
  {
    ...card,
    label: 'pci.pan',
    description: 'Card number',
    rule: 'PCI DSS 3.4.1',
    mask: { kind: 'partial', keepFirst: 6, keepLast: 4 },
    validators: ['pan'],
  },
  {
    ...card,
    label: 'pci.sad',
    description: 'Security code, track data, PIN: must not be stored at all',
    rule: 'PCI DSS 3.3',
    mask: NULL,
  },
  {
    ...personal,
    label: 'fin.iban',
    description: 'International bank account number',
    level: 'confidential',
    mask: last(4),
    validators: ['iban'],
  },
  {
    ...personal,
    label: 'fin.account',
    description: 'Account number of another kind',
    level: 'confidential',
    mask: last(4),
  },
  {
    ...personal,
    label: 'fin.salary',
    description: 'Pay and income',
    level: 'confidential',
    mask: { kind: 'generalise', to: { band: 1000 } },
  },
  { ...secret, label: 'sec.password-hash', description: 'Hash of a password' },
  { ...secret, label: 'sec.secret', description: 'Password or shared secret' },
  { ...secret, label: 'sec.token', description: 'Token or API key', validators: ['secret', 'jwt'] },
  { ...secret, label: 'sec.key', description: 'Private key', validators: ['private-key'] },
  {
    label: 'biz.confidential',
    description: 'Confidential by contract or by decision',
    level: 'confidential',
    rule: 'contract',
    mask: REDACT,
  },
  { label: 'biz.trade-secret', description: 'Trade secret', level: 'restricted', rule: 'contract', mask: REDACT },
  {
    label: 'biz.mna',
    description: 'Mergers and acquisitions, inside information',
    level: 'restricted',
    rule: 'contract',
    mask: REDACT,
  },
  { label: 'legal.privileged', description: 'Between lawyer and client', level: 'restricted', mask: NULL },
  { label: 'hr.case', description: 'Personnel case', level: 'restricted', mask: NULL },
  { label: 'gov', description: 'Classified by a state; name the marking below it', level: 'restricted', mask: NULL },
  { label: 'public', description: 'May be known to everybody', level: 'public' },
  { label: 'internal', description: 'For the organisation only', level: 'internal' },
  { label: 'confidential', description: 'For those who need it', level: 'confidential', mask: REDACT },
  { label: 'restricted', description: 'For named people only', level: 'restricted', mask: NULL },
];

/** Shipped and own labels together. */
export class Taxonomy {
  readonly labels: readonly TaxonomyLabel[];
  readonly #byName: ReadonlyMap<string, TaxonomyLabel>;
  readonly #categories: ReadonlySet<string>;

  /** @param own Declared in the configuration; one of the name of a shipped label takes its place. */
  constructor(own: readonly TaxonomyLabel[] = []) {
    const byName = new Map([...TAXONOMY, ...own].map((each) => [each.label, each]));
    this.labels = [...byName.values()].sort((a, b) => (a.label < b.label ? -1 : 1));
    this.#byName = byName;
    this.#categories = new Set(this.labels.flatMap(({ label }) => ancestors(label)));
  }

  /** The entry that a label means: its own, or the nearest above it. */
  find(label: string): TaxonomyLabel | undefined {
    const found = this.#byName.get(label);
    if (found) return found;
    for (const name of ancestors(label).reverse()) {
      const above = this.#byName.get(name);
      if (above) return above;
    }
    return undefined;
  }

  /** Whether it is a label of the taxonomy, one below it, or a category. */
  knows(label: string): boolean {
    return this.#categories.has(label) || this.find(label) !== undefined;
  }

  /** Every name that may be meant: labels and categories. */
  names(): readonly string[] {
    return [...new Set([...this.#byName.keys(), ...this.#categories])];
  }

  /** Labels that a detector's hits confirm. */
  confirmedBy(family: string): readonly TaxonomyLabel[] {
    return this.labels.filter(({ validators }) => validators?.includes(family));
  }
}

/** `pii`, `pii.contact` of `pii.contact.email`. */
function ancestors(label: string): string[] {
  const parts = label.split('.');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('.'));
}
