import type { ResourceRef } from '../model/access.ts';
import type { Principal } from '../model/principal.ts';

/** A resource as a person would call it: `table public.customers of connection shop`. */
export function resourceInWords(resource: ResourceRef): string {
  switch (resource.type) {
    case 'Connection':
      return `connection ${resource.connection}`;
    case 'Schema':
      return `schema ${resource.schema} of connection ${resource.connection}`;
    case 'Table':
      return `table ${resource.schema}.${resource.table} of connection ${resource.connection}`;
    case 'Column':
      return `column ${resource.column} of table ${resource.schema}.${resource.table} of connection ${resource.connection}`;
    case 'Function':
      return `function ${resource.schema}.${resource.name} of connection ${resource.connection}`;
    case 'Label':
      return `label ${resource.label}`;
    default:
      return `${resource.type.toLowerCase()} ${resource.id}`;
  }
}

/** The id, not the display name: it is what a policy has to say. */
export function principalInWords(principal: Principal): string {
  return `${principal.kind} ${principal.id}`;
}
