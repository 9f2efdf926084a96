// `node enqueue.mjs ORDER_FILE RESULT_FILE`: one job a message, as fast as they are taken or at planned times.
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';

const order = JSON.parse(readFileSync(process.argv[2]));
const queue = new Queue('mails', {
  connection: { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) },
  defaultJobOptions: { removeOnComplete: true },
});
await queue.waitUntilReady();
const used = process.cpuUsage();
const began = Date.now();
const planned = [];
for (const [number, id] of order.ids.entries()) {
  const at = order.rate === null ? Date.now() : began + (number * 1000) / order.rate;
  if (at > Date.now()) await sleep(at - Date.now());
  planned.push(at / 1000);
  await queue.add('mail', { id, recipient: order.recipients[number] });
}
const { user, system } = process.cpuUsage(used);
writeFileSync(process.argv[3], JSON.stringify({ planned, cpu_seconds: (user + system) / 1e6 }));
await queue.close();
