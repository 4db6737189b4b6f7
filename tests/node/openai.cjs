// Uses the official Node SDK as anybody would, and prints what it saw as one line of JSON.
// Environment: NODE_PATH (where the SDK is), OPENAI_BASE_URL, OPENAI_API_KEY. Argument: the model.

const OpenAI = require("openai");
const { toFile } = require("openai");

const model = process.argv[2];
const quickly = { pollIntervalMs: 50 };

async function refused(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return {
      name: error.constructor.name,
      status: error.status,
      code: error.code,
      requestID: error.requestID,
    };
  }
}

async function main() {
  const client = new OpenAI({ maxRetries: 0 });
  const picture = await toFile(Buffer.from("89504e470d0a1a0a", "hex"), "boat.png", { type: "image/png" });

  const made = await client.videos.create({ model, prompt: "a boat", seconds: "8", size: "1280x720" });
  let video = made;
  while (video.status === "queued" || video.status === "in_progress") {
    video = await client.videos.retrieve(made.id);
  }
  const content = await client.videos.downloadContent(video.id);
  const bytes = Buffer.from(await content.arrayBuffer());
  const pictured = await client.videos.create({ model, prompt: "a picture", input_reference: picture });
  const raw = await client.post("/videos", { body: { model, prompt: "raw", seconds: "4" } });
  const remix = await client.videos.remix(video.id, { prompt: "a red boat" });
  const listed = [];
  for await (const one of client.videos.list({ limit: 2 })) {
    listed.push(one.id);
  }
  const models = [];
  for await (const one of client.models.list()) {
    models.push(one.id);
  }
  const deleted = await client.videos.delete(video.id);

  console.log(JSON.stringify({
    video,
    type: content.headers.get("content-type"),
    magic: bytes.subarray(4, 8).toString("latin1"),
    pictured: pictured.status,
    raw: raw.prompt,
    remixed: remix.remixed_from_video_id === video.id,
    listed: listed.length,
    models,
    deleted: deleted.deleted,
    gone: await refused(() => client.videos.retrieve(video.id)),
    nonsense: await refused(() => client.videos.create({ model: "nonsense", prompt: "a boat" })),
    stranger: await refused(() => new OpenAI({ maxRetries: 0, apiKey: "sk-wrong" }).videos.list()),
  }));
}

main();
