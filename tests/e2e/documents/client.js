// The AudioCraft REST tutorial's browser client: the same requests, the same reading of the answers, every second.
// Only `api` (the address) and `document` (a page with one element) are given by whoever runs it.

const headers = { 'Content-Type': 'application/json', 'X-API-Key': 'your-api-key-here' };

function wish(prompt, options) {
  return {
    prompt,
    model_size: options.modelSize || 'small',
    duration: options.duration || 5.0,
    temperature: options.temperature || 1.0,
    top_k: options.topK || 250,
    top_p: options.topP || 0.0,
    output_format: options.format || 'mp3',
  };
}

async function post(path, body) {
  const answer = await fetch(api + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return answer.json();
}

function generateAudio(prompt, options = {}) {
  return post('/generate', { ...wish(prompt, options), return_type: options.returnType || 'url' });
}

async function generateAudioAsync(prompt, options = {}) {
  const { task_id: task } = await post('/generate-async', wish(prompt, options));
  for (;;) {
    const answer = await fetch(`${api}/tasks/${task}`, { headers: { 'X-API-Key': headers['X-API-Key'] } });
    const told = await answer.json();
    if (told.status === 'completed') return told;
    if (told.status === 'failed') throw new Error(told.error);
    await new Promise((resume) => setTimeout(resume, 1000));
  }
}

generateAudio('A peaceful piano melody with gentle strings')
  .then((made) => {
    if (made.success) document.getElementById('audioPlayer').src = made.audio_url;
  })
  .catch((error) => console.error(error));
