import { graphql } from './api.js';
import { byId, fillRows, make } from './elements.js';
import { count, moment, usd } from './format.js';

const query = `{
  embeddingJobs(first: 10) { id status model total done failed costUsd createdAt failure key }
}`;

const words = {
  QUEUED: 'waiting',
  RUNNING: 'running',
  DONE: 'done',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  EXPIRED: 'its results have been deleted',
};

/**
 * The newest jobs, with how far they are. Hidden where there are none. An operation of its own, for where jobs are kept may be
 * away while all else is there.
 */
export async function showJobs() {
  const { data } = await graphql(query);
  const jobs = data?.embeddingJobs ?? [];
  byId('jobs-part').hidden = jobs.length === 0;
  fillRows(
    byId('jobs'),
    jobs.map((job) => [
      make('time', { datetime: job.createdAt, title: job.id }, moment.format(new Date(job.createdAt))),
      job.model,
      progressOf(job),
      stateOf(job),
      usd(job.costUsd),
      job.key,
    ]),
  );
}

function progressOf({ done, total }) {
  const said = `${count(done)} of ${count(total)}`;
  return make(
    'span',
    {},
    make('progress', { value: done, max: Math.max(1, total), 'aria-label': said }),
    ` ${said}`,
  );
}

function stateOf({ status, failure, failed }) {
  const problems = failed > 0 ? `, ${count(failed)} texts failed` : '';
  return `${words[status] ?? status}${failure ? `: ${failure}` : problems}`;
}
