// Makes a video with the Node client of xAI's API, and prints what it saw as one line of JSON.
// Environment: NODE_PATH (where the client is). Arguments: base URL, key, model, prompt.

const { createXai } = require("@ai-sdk/xai");

async function main() {
  const [baseURL, apiKey, name, prompt] = process.argv.slice(2);
  const model = createXai({ apiKey, baseURL }).video(name);
  const { operation } = await model.doStart({
    prompt,
    n: 1,
    duration: 8,
    resolution: "1280x720",
    aspectRatio: "16:9",
    providerOptions: {},
  });
  let state;
  do {
    state = await model.doStatus({ operation });
  } while (state.status === "pending");
  console.log(JSON.stringify({ status: state.status, error: state.error, videos: state.videos }));
}

main();
