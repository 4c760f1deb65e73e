import type { ProposalsPort, StandingProposal } from '../controlplane/index.ts';
import type { Worlds } from '../dataplane/index.ts';
import type { LabelProposal, ProposalStore } from '../model/label-proposal.ts';

/** Proposals beside what the catalog and the labels in force say about their columns now. */
export function proposalsPort(store: ProposalStore, worlds: Worlds): ProposalsPort {
  const standing = (proposal: LabelProposal): StandingProposal => {
    const world = worlds.peek(proposal.connection);
    // Without a look at the target nobody can say that a column is gone.
    if (!world) return { proposal, exists: true, inForce: false };
    for (const { oid, schema, name, columns } of world.catalog.relations.values()) {
      if (name !== proposal.relation || schema !== proposal.schema) continue;
      const labels = world.labels.of(oid).columns.get(proposal.column) ?? [];
      return {
        proposal,
        exists: columns.some((column) => column.name === proposal.column),
        inForce: labels.includes(proposal.label),
      };
    }
    return { proposal, exists: false, inForce: false };
  };
  return {
    list: async (filter) => (await store.list(filter)).map(standing),
    get: async (id) => {
      const proposal = await store.get(id);
      return proposal && standing(proposal);
    },
    decide: async (id, state, decision) => {
      const proposal = await store.decide(id, state, decision);
      return proposal && standing(proposal);
    },
  };
}
