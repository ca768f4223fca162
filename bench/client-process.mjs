// The client of one cell, in its own process. Usage: client-process.mjs SUBJECT load|occupy JSON
import { runLoad } from "./lib/load.mjs";
import { occupy } from "./lib/occupy.mjs";
import { answer, say } from "./lib/talk.mjs";
import { RUNS } from "./scenarios.mjs";
import { seen, subjectNamed } from "./subjects/subject.mjs";

const [name, task, text] = process.argv.slice(2);
const { connect } = await import(`./subjects/${name}/client.mjs`);
if (task === "occupy") {
  answer(await occupy(connect, JSON.parse(text)));
  say("ready");
} else {
  answer();
  const job = JSON.parse(text);
  const subjects = [];
  for (let i = 0; i < job.connections; i++) {
    const subject = await connect(job.target);
    await subject.unary();
    subjects.push(subject);
  }
  const result = await runLoad(RUNS[job.run], subjects, job, (edge) => say(edge));
  const everyCall = job.run !== "ping-pong" && job.run !== "shared-streams" && job.run !== "fire";
  if (everyCall && !subjectNamed(name).bare && seen.started < result.calls) {
    result.errors++;
    result.firstError ??= "the interceptor has not seen every call";
  }
  say("result", { result });
}
