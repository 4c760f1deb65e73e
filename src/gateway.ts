export { Offline, type OfflineParts, type OfflineQuestion } from './gateway/offline.ts';
export { type RunningGateway, type StartOptions, startGateway } from './gateway/start.ts';
export { initState, ledgerFolder, openSecrets, type Secrets, type StatePaths, statePaths } from './gateway/state.ts';
