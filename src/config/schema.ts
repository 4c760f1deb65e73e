import { z } from 'zod';
import { DETECTOR_FAMILIES, NATIONAL_IDS } from '../masking/index.ts';
import { ADDRESS_PATTERN } from './address.ts';

/**
 * The shape of gatehouse.yaml as people write it. No transforms and no defaults here: the same schema is published for
 * editors, and `build.ts` turns what it accepts into `GatewayConfig`. Descriptions are shown as help next to a mistake.
 */
const path = (description: string) => z.string().min(1).meta({ description });
const address = (description: string, example: string) =>
  z
    .string()
    .regex(ADDRESS_PATTERN)
    .meta({ description, examples: [example] });
const seconds = (min: number, max: number, description: string) =>
  z
    .int()
    .min(min)
    .max(max)
    .meta({ description: `${description} (${min} to ${max} seconds)` });
const count = (min: number, max: number, description: string) =>
  z
    .int()
    .min(min)
    .max(max)
    .meta({ description: `${description} (${min} to ${max})` });

const listeners = z
  .strictObject({
    postgres: address(
      'Where PostgreSQL clients connect: host:port. An IPv6 address is written "[::1]:6432", in quotes',
      '127.0.0.1:6432',
    ).optional(),
    control: address(
      'Where the control API listens: host:port; 127.0.0.1:6400 when absent',
      '127.0.0.1:6400',
    ).optional(),
  })
  .meta({ description: 'Sockets the gateway listens on', examples: [{ postgres: '127.0.0.1:6432' }] });

const tls = z
  .strictObject({
    cert: path('PEM file with the certificate chain shown to clients, relative to this folder'),
    key: path('PEM file with its private key, relative to this folder'),
  })
  .meta({ description: 'Both cert and key; clear-text tokens are refused without TLS, loopback excepted' });

const claims = z
  .strictObject({
    subject: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'Claim that identifies the caller for good; sub when absent' }),
    name: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'Claim shown to people; email, then name, then sub when absent' }),
    groups: z.string().min(1).optional().meta({
      description: 'Claim with the groups (a list, or words separated by spaces or commas); groups when absent',
    }),
    kind: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'Claim that says person, service or agent; gh_kind when absent' }),
    on_behalf_of: z.string().min(1).optional().meta({
      description: 'Claim with the person a service or agent acts for, dots lead into objects; act.sub when absent',
    }),
  })
  .meta({ description: 'Which claim of the token means what; dots lead into objects' });

/** Asymmetric only: a shared secret would let every gateway mint tokens. https://www.rfc-editor.org/rfc/rfc8725#section-3.1 */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

const issuer = z
  .strictObject({
    issuer: z
      .string()
      .min(1)
      .meta({
        description: 'The issuer exactly as in the token’s iss claim: an https URL (http only on loopback)',
        examples: ['https://idp.example'],
      }),
    audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).meta({
      description: 'What the token’s aud claim must contain: a name, or a list of names of which one must be there',
      examples: ['gatehouse'],
    }),
    jwks_file: path(
      'File with the issuer’s public keys (a JWK Set), relative to this folder; OIDC discovery when absent',
    ).optional(),
    client_id: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'Client id with which gatehouse login asks this issuer for tokens' }),
    algorithms: z.array(z.enum(ALGORITHMS)).min(1).optional().meta({
      description: 'Signature algorithms that are accepted; RS256, PS256, ES256, ES384 and EdDSA when absent',
    }),
    clock_skew_seconds: seconds(0, 120, 'How far the issuer’s clock may differ; 30 when absent').optional(),
    subject_prefix: z
      .string()
      .max(64)
      .regex(/^[^\s"\\]*$/)
      .optional()
      .meta({
        description:
          'Put before every subject of this issuer so that two issuers cannot name the same principal; no spaces or quotes',
      }),
    claims: claims.optional(),
  })
  .meta({ description: 'An OpenID Connect issuer whose tokens are accepted' });

const secret = z
  .union([
    z.strictObject({
      env: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
        .meta({ description: 'Name of an environment variable of the gateway' }),
    }),
    z.strictObject({
      file: path('File whose content is the secret (one trailing newline is dropped), relative to this folder'),
    }),
    z.strictObject({
      stored: z
        .union([z.literal(true), z.string().min(1)])
        .meta({ description: 'Name given to: gatehouse credentials set NAME; true means the name of the connection' }),
    }),
    z.string().min(1),
  ])
  .meta({
    description: 'Where the password is: { env: NAME }, { file: ./path } or { stored: NAME }',
    examples: [{ env: 'SHOP_PASSWORD' }],
  });

/** A name people type as `dbname`; no `/`, `.` or quote, because Cedar ids are made of it. */
export const CONNECTION_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$/;

const connection = z
  .strictObject({
    protocol: z
      .enum(['postgres'])
      .meta({ description: 'Protocol of the target; postgres is the one supported so far' }),
    address: address('Where the target listens: host:port; the port is 5432 when absent', '127.0.0.1:5432'),
    database: z
      .string()
      .min(1)
      .max(63)
      .optional()
      .meta({ description: 'Database at the target; the name of the connection when absent' }),
    tls: z.enum(['disable', 'require', 'verify-ca', 'verify-full']).optional().meta({
      description: 'How the target is reached: disable, require, verify-ca or verify-full; verify-full when absent',
    }),
    ca: path(
      'PEM file with the certificate authority of the target, relative to this folder; the system’s when absent',
    ).optional(),
    credential: z
      .strictObject({
        username: z.string().min(1).max(63).meta({ description: 'Role the gateway logs in with at the target' }),
        password: secret.optional(),
      })
      .meta({
        description: 'Account the gateway uses at the target; clients never see it',
        examples: [{ username: 'app', password: { env: 'SHOP_PASSWORD' } }],
      }),
  })
  .meta({ description: 'A target behind the gateway; clients choose it as their database name' });

const maskKind = z
  .union([
    z.enum(['null', 'redact', 'partial', 'generalise', 'pseudonym']),
    z.null(),
    z.strictObject({
      partial: z.strictObject({
        keep_first: count(0, 64, 'Characters kept at the beginning').optional(),
        keep_last: count(0, 64, 'Characters kept at the end').optional(),
      }),
    }),
    z.strictObject({
      generalise: z.union([
        z.enum(['year', 'month', 'decade']),
        z.strictObject({ band: z.number().positive().meta({ description: 'Width of the bands, above 0' }) }),
      ]),
    }),
  ])
  .meta({
    description:
      'null, redact, partial, generalise or pseudonym; or { partial: { keep_last: 4 } }, { generalise: year } (month, decade), { generalise: { band: 1000 } }',
    examples: ['redact'],
  });

/** `pii.contact.email`: words joined by dots, as in label files. */
export const LABEL = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/;

export const LEVELS = ['public', 'internal', 'confidential', 'restricted'] as const;

const ownLabel = z
  .union([
    z.string().min(1).max(200),
    z.strictObject({
      description: z.string().min(1).max(200).optional().meta({ description: 'What values with this label are' }),
      level: z.enum(LEVELS).optional().meta({
        description:
          'How much harm they do when they get out: public, internal, confidential (when absent) or restricted',
      }),
      retention: z
        .string()
        .regex(/^[a-z0-9-]+$/)
        .optional()
        .meta({
          description: 'How long recordings of them are kept, by the name of the class',
          examples: ['gdpr-90d'],
        }),
    }),
  ])
  .meta({
    description: 'What the label means, or { description: …, level: restricted }',
    examples: ['Number on the badge'],
  });

const detectorAction = z.enum(['report', 'mask', 'refuse', 'off']).meta({
  description:
    'report: values are counted; mask: and overwritten; refuse: and the result ends there; off: nobody looks for them',
  examples: ['report'],
});

const detectorCountries = z
  .array(z.enum(NATIONAL_IDS.map(({ country }) => country)))
  .min(1)
  .meta({
    description: `Countries whose national ids are looked for: ${NATIONAL_IDS.map(({ country }) => country).join(', ')}; all when absent`,
    examples: [['de', 'fr']],
  });

const ownPattern = z
  .strictObject({
    pattern: z
      .string()
      .min(1)
      .meta({
        description:
          'What values look like: letters, [A-Z0-9], \\d \\w \\s, ( | ), * + ? {2,8}; found as whole words, in linear time',
        examples: ['EMP-[0-9]{6}'],
      }),
    label: z
      .string()
      .regex(LABEL)
      .optional()
      .meta({
        description: 'Label that is proposed for columns of such values; custom.<name> when absent',
        examples: ['hr.employee-id'],
      }),
    action: detectorAction.exclude(['off']).optional(),
  })
  .meta({ description: 'A pattern of your own', examples: [{ pattern: 'EMP-[0-9]{6}', action: 'mask' }] });

const detectors = z
  .strictObject({
    default: detectorAction.optional(),
    ...Object.fromEntries(
      DETECTOR_FAMILIES.filter((family) => family !== 'national-id').map((family) => [
        family,
        detectorAction.optional(),
      ]),
    ),
    'national-id': z
      .union([
        detectorAction,
        z.strictObject({ action: detectorAction.optional(), countries: detectorCountries.optional() }),
      ])
      .optional()
      .meta({ description: 'An action, or { action: mask, countries: [de, fr] }', examples: ['report'] }),
    patterns: z
      .record(z.string().regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/), ownPattern)
      .optional()
      .meta({ description: 'Patterns of your own by name: lower-case words joined by hyphens' }),
  })
  .meta({
    description:
      'What is looked for in results, whatever their labels; nothing when this section is absent. default: report, when absent',
    examples: [{ default: 'report', pan: 'mask' }],
  });

export const configDocument = z
  .strictObject({
    $schema: z.string().optional(),
    state: path('Folder for the gateway’s own state, relative to this folder; ./state when absent').optional(),
    listeners: listeners.optional(),
    tls: tls.optional(),
    identity: z
      .strictObject({
        issuers: z.array(issuer).min(1).meta({
          description: 'At least one issuer, each as a list entry that begins with - issuer: https://…',
        }),
      })
      .meta({ description: 'Who may prove the identity of callers' }),
    connections: z
      .record(z.string().regex(CONNECTION_NAME), connection)
      .meta({ description: 'Targets by name; a name is made of letters, digits, _ and -, at most 63' }),
    policies: path('Folder with *.cedar files; ./policies when absent').optional(),
    labels: path('Folder with label files (*.yaml); ./labels when absent').optional(),
    masks: z.record(z.string().regex(LABEL), maskKind).optional().meta({
      description:
        'How columns are masked, by label (lower-case words joined by dots); the longest label that fits wins, default otherwise',
    }),
    masked_copies: z
      .enum(['refuse', 'allow'])
      .optional()
      .meta({
        description:
          'Whether people may store what they see masked in columns that are not hidden from them; refuse when absent. Into hidden columns it is never written',
        examples: ['refuse'],
      }),
    taxonomy: z
      .record(z.string().regex(LABEL), ownLabel)
      .optional()
      .meta({
        description:
          'Labels of your own beside the shipped ones (gatehouse labels taxonomy), by name; what is below one of them is known too',
        examples: [{ 'hr.employee-id': 'Number on the badge' }],
      }),
    pseudonyms: z
      .strictObject({
        epoch: z
          .string()
          .regex(/^[1-9][0-9]{0,3}[dh]$/)
          .meta({ description: 'How long pseudonyms are made with one key, counted from 1970: 90d, 12h' }),
      })
      .optional()
      .meta({
        description: 'When the key of pseudonyms changes by itself; without this only by gatehouse masks rotate',
      }),
    detectors: detectors.optional(),
    approvals: z
      .strictObject({
        mode: z.enum(['wait', 'error']).optional().meta({
          description: 'wait: a held statement waits for consent; error: it fails at once with the request’s id',
        }),
        wait_seconds: seconds(1, 86_400, 'How long a held statement waits; 300 when absent').optional(),
        expire_seconds: seconds(10, 2_592_000, 'When a request nobody answered expires; 86400 when absent').optional(),
        grant_seconds: seconds(10, 2_592_000, 'How long consent holds once given; 3600 when absent').optional(),
        reason_min_length: count(
          0,
          200,
          'How long the reason of an approver must be at least; 10 when absent',
        ).optional(),
      })
      .optional()
      .meta({ description: 'How statements that need consent are handled' }),
    limits: z
      .strictObject({
        max_connections: count(1, 100_000, 'Clients at the same time; 500 when absent').optional(),
        max_connections_per_principal: count(
          1,
          100_000,
          'Clients of one principal at the same time; 50 when absent',
        ).optional(),
        authentication_seconds: seconds(
          1,
          300,
          'Time to log in, from the accepted socket on; 15 when absent',
        ).optional(),
        max_statement_bytes: count(
          1024,
          67_108_864,
          'Largest statement text in bytes; 16777216 when absent',
        ).optional(),
        catalog_refresh_seconds: seconds(
          5,
          86_400,
          'How often the target’s catalog is read anew; 60 when absent',
        ).optional(),
        drain_seconds: seconds(0, 3600, 'How long running statements may go on at shutdown; 30 when absent').optional(),
      })
      .optional()
      .meta({ description: 'Bounds that keep one client from starving the others' }),
    time_zone: z
      .string()
      .min(1)
      .optional()
      .meta({
        description: 'IANA name for hour and weekday in policies; UTC when absent',
        examples: ['Europe/Vienna'],
      }),
    log: z
      .strictObject({
        level: z
          .enum(['debug', 'info', 'warn', 'error'])
          .optional()
          .meta({ description: 'debug, info, warn or error; info when absent' }),
      })
      .optional()
      .meta({ description: 'The gateway’s own log' }),
    metrics: z.enum(['loopback', 'token']).optional().meta({
      description:
        'Who may read /metrics: loopback (this machine without a login, others with a token; the default) or token (everybody with a token)',
    }),
    ledger: z
      .strictObject({
        origin: z
          .string()
          .max(255)
          .regex(/^[^\s+]+$/)
          .optional()
          .meta({
            description:
              'Name of this node’s ledger, unique and never changed: a host name and a path without spaces or +',
            examples: ['gatehouse.example/ledger/1'],
          }),
      })
      .optional()
      .meta({ description: 'The evidence log of this node' }),
  })
  .meta({ title: 'gatehouse.yaml', description: 'Configuration of Gatehouse' });

export type ConfigDocument = z.infer<typeof configDocument>;
export type IssuerDocument = ConfigDocument['identity']['issuers'][number];
export type ConnectionDocument = ConfigDocument['connections'][string];
export type SecretDocument = NonNullable<ConnectionDocument['credential']['password']>;
export type DetectorsDocument = NonNullable<ConfigDocument['detectors']>;
export type TaxonomyDocument = NonNullable<ConfigDocument['taxonomy']>;
export type MaskDocument = NonNullable<ConfigDocument['masks']>[string];
