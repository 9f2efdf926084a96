// A worker that sends mails, as the documentations of BullMQ and Nodemailer show it.
import { readFileSync } from 'node:fs';
import { Worker } from 'bullmq';
import nodemailer from 'nodemailer';

const message = JSON.parse(readFileSync(process.env.MESSAGE_FILE));
const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null };
const transport = nodemailer.createTransport({
  pool: true,
  maxMessages: Infinity,
  host: '127.0.0.1',
  port: Number(process.env.SMTP_PORT),
  ignoreTLS: true,
});

const send = async ({ data }) => {
  const name = data.recipient.split('@')[0];
  await transport.sendMail({
    from: message.sender,
    to: data.recipient,
    subject: message.subject,
    text: message.text.replaceAll('{name}', name),
    html: message.html.replaceAll('{name}', name),
    headers: { [message.header]: data.id },
  });
};

new Worker('mails', send, { connection, concurrency: 50 });
