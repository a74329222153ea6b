/** Where OpenAI's door has files. */
export const filesPath = '/v1/files';

/** What may be read of a job: its results as they are, and what OpenAI's door makes of them. */
export type OutputKind = 'results' | 'output' | 'error';

/** The id of a file that is made from the results of a job. */
export function outputFileId(jobId: string, kind: OutputKind): string {
  return `file-${jobId.replace(/^job_/, '')}-${kind}`;
}

/** The job and kind that the id of a file names; undefined for one that a client has sent. */
export function readOutputFileId(id: string): { jobId: string; kind: OutputKind } | undefined {
  const [, hex, kind] = /^file-([0-9a-f]{24})-(results|output|error)$/.exec(id) ?? [];
  return hex === undefined ? undefined : { jobId: `job_${hex}`, kind: kind as OutputKind };
}
