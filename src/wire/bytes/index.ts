export { WireError, type WireErrorCode } from '../errors.ts';
export { BodyReader } from './body-reader.ts';
export { BodyWriter, MAX_FRAME_BYTES } from './body-writer.ts';
export { type Frame, type FrameLimit, frameOf, HEADER_BYTES, letter } from './frame.ts';
export { FrameReader } from './frame-reader.ts';
export { FrameScanner, type ScanOptions, type ScanSink } from './frame-scanner.ts';
