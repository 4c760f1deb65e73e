import type { ResourceRef } from '../model/access.ts';
import type { Principal } from '../model/principal.ts';
import type { EntityJson, TypeAndId } from './engine.ts';

const TYPE_OF_KIND = { person: 'User', service: 'Service', agent: 'Agent' } as const;

/** A thing and everything above it: the only entities Cedar gets to see for one question. */
export interface EntitySlice {
  readonly uid: TypeAndId;
  readonly entities: readonly EntityJson[];
}

/** The principal and those of his groups that some policy names; the others cannot matter. */
export function principalSlice(principal: Principal, matters: (group: string) => boolean = () => true): EntitySlice {
  const uid = { type: TYPE_OF_KIND[principal.kind], id: principal.id };
  const groups = [...new Set(principal.groups)].filter(matters).map((id) => ({ type: 'Group', id }));
  return {
    uid,
    entities: [
      {
        uid,
        attrs: {
          issuer: principal.issuer,
          kind: principal.kind,
          mfa: principal.mfa,
          ...(principal.onBehalfOf !== undefined && { on_behalf_of: principal.onBehalfOf }),
        },
        parents: groups,
      },
      ...groups.map((group) => ({ uid: group, attrs: {}, parents: [] })),
    ],
  };
}

/** The resource and its ancestors. `asker` decides of which type an owner is: the same id is the same principal. */
export function resourceSlice(resource: ResourceRef, asker: TypeAndId): EntitySlice {
  const slice = new SliceBuilder();
  switch (resource.type) {
    case 'Connection':
      return slice.done(slice.connection(resource.connection));
    case 'Schema':
      return slice.done(slice.schema(resource.connection, resource.schema));
    case 'Table':
      return slice.done(slice.table(resource));
    case 'Column':
      return slice.done(
        slice.add('Column', resourceId(resource), [
          slice.table({ ...resource, labels: resource.tableLabels }),
          ...slice.labels(resource.labels),
        ]),
      );
    case 'Function':
      return slice.done(
        slice.add('Function', resourceId(resource), [slice.schema(resource.connection, resource.schema)]),
      );
    case 'Label':
      return slice.done(slice.label(resource.label));
    default: {
      const parents = resource.connection === undefined ? [] : [slice.connection(resource.connection)];
      const owner = resource.owner;
      const attrs =
        owner === undefined
          ? {}
          : { owner: { __entity: { type: owner === asker.id ? asker.type : 'User', id: owner } } };
      return slice.done(slice.add(resource.type, resource.id, parents, attrs));
    }
  }
}

class SliceBuilder {
  readonly #entities = new Map<string, EntityJson>();

  add(type: string, id: string, parents: TypeAndId[], attrs: EntityJson['attrs'] = {}): TypeAndId {
    const uid = { type, id };
    this.#entities.set(`${type}::${id}`, { uid, attrs, parents });
    return uid;
  }

  connection(name: string): TypeAndId {
    return this.add('Connection', name, []);
  }

  schema(connection: string, schema: string): TypeAndId {
    return this.add('Schema', resourceId({ type: 'Schema', connection, schema }), [this.connection(connection)]);
  }

  table(ref: { connection: string; schema: string; table: string; labels: readonly string[] }): TypeAndId {
    const parents = [this.schema(ref.connection, ref.schema), ...this.labels(ref.labels)];
    return this.add('Table', resourceId({ ...ref, type: 'Table' }), parents);
  }

  labels(labels: readonly string[]): TypeAndId[] {
    return [...new Set(labels)].map((label) => this.label(label));
  }

  /** `pii.contact.email` is in `pii.contact` is in `pii`. */
  label(label: string): TypeAndId {
    const dot = label.lastIndexOf('.');
    return this.add('Label', label, dot > 0 ? [this.label(label.slice(0, dot))] : []);
  }

  done(uid: TypeAndId): EntitySlice {
    return { uid, entities: [...this.#entities.values()] };
  }
}

/** The Cedar entity id of a resource, e.g. `shop/public.customers`. */
export function resourceId(resource: ResourceRef): string {
  switch (resource.type) {
    case 'Connection':
      return resource.connection;
    case 'Schema':
      return `${part(resource.connection)}/${part(resource.schema)}`;
    case 'Table':
      return `${part(resource.connection)}/${part(resource.schema)}.${part(resource.table)}`;
    case 'Column':
      return `${part(resource.connection)}/${part(resource.schema)}.${part(resource.table)}.${part(resource.column)}`;
    case 'Function':
      return `${part(resource.connection)}/${part(resource.schema)}.${part(resource.name)}`;
    case 'Label':
      return resource.label;
    default:
      return resource.id;
  }
}

/**
 * A name with a separator in it is quoted as in SQL. Otherwise the table `c` in schema `a.b` and the table `b.c` in schema `a`
 * would be one and the same to a policy, and whoever may create schemas could borrow another table's permissions.
 */
function part(name: string): string {
  return /[./"]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}
