"use strict";

const at = (id) => document.getElementById(id);
// What a slider changes: its range, and how it is called.
const SLIDERS = [
  { key: "probability", text: "A pixel is a defect from probability", min: 0.01, max: 1, step: 0.01 },
  { key: "review", text: "Below this mean probability: REVIEW", min: 0, max: 1, step: 0.01 },
  { key: "min_area_px", text: "Smallest area, pixels", min: 0, max: 2000, step: 1 },
  { key: "min_length_px", text: "Smallest length, pixels", min: 0, max: 500, step: 1 },
  { key: "min_count", text: "Smallest count", min: 1, max: 20, step: 1 },
];
const state = { about: null, rules: null, image: null, answer: null, plain: null, asked: 0, timer: 0 };

function headers() {
  const token = sessionStorage.getItem("token");
  return token ? { Authorization: `Bearer ${token}` } : {};
}

function say(text) {
  at("note").textContent = text;
  at("note").hidden = !text;
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: headers() });
  } catch {
    throw new Error("the service does not answer; check the network");
  }
  at("login").hidden = response.status !== 401;
  if (!response.ok) {
    const text = await response.text();
    let detail = text;
    try {
      detail = JSON.parse(text).detail;
    } catch {
      // an answer of something in between, such as a proxy
    }
    const error = new Error(detail || `the service answered ${response.status}`);
    error.again = response.status === 429;
    throw error;
  }
  return response.json();
}

async function begin() {
  try {
    state.about = await ask("/version");
  } catch (error) {
    say(error.message);
    return;
  }
  say("");
  const { model, autonad } = state.about;
  const version = model.version === null ? "" : `version ${model.version}, `;
  at("model").textContent = `${version}${model.key || "model"} · ${model.sha256.slice(0, 12)} · AutoNAD ${autonad}`;
  state.rules = structuredClone(state.about.rules);
  showRules();
}

// -- rules --------------------------------------------------------------------------------------------------

function showRules() {
  const open = [...at("sliders").querySelectorAll("details")].map((one) => one.open);
  at("sliders").replaceChildren(
    ...Object.entries(state.rules.classes).map(([name, rule], index) => {
      const group = document.createElement("details");
      group.open = open[index] ?? index === 0;
      const title = document.createElement("summary");
      title.textContent = name;
      group.append(title, ...SLIDERS.map((slider) => sliderOf(name, rule, slider)));
      return group;
    }),
  );
  markChanged();
}

function sliderOf(name, rule, { key, text, min, max, step }) {
  const row = document.createElement("label");
  row.className = "slider";
  const label = document.createElement("span");
  label.textContent = text;
  const shown = document.createElement("output");
  const input = document.createElement("input");
  Object.assign(input, { type: "range", min, max: Math.max(max, rule[key]), step, value: rule[key] });
  input.setAttribute("aria-label", `${name}: ${text}`);
  const show = () => (shown.textContent = step < 1 ? rule[key].toFixed(2) : String(rule[key]));
  input.addEventListener("input", () => {
    rule[key] = Number(input.value);
    show();
    markChanged();
    clearTimeout(state.timer);
    state.timer = setTimeout(judge, 150);
  });
  show();
  row.append(label, shown, input);
  return row;
}

function isChanged() {
  return JSON.stringify(state.rules) !== JSON.stringify(state.about.rules);
}

function markChanged() {
  at("changed").hidden = !isChanged();
}

function rulesYaml() {
  // JSON's texts and numbers are YAML's too; a class may be called "yes" or "1".
  const lines = [`mm_per_pixel: ${JSON.stringify(state.rules.mm_per_pixel)}`, "classes:"];
  for (const [name, rule] of Object.entries(state.rules.classes)) {
    lines.push(`  ${JSON.stringify(name)}:`);
    for (const [key, value] of Object.entries(rule)) lines.push(`    ${key}: ${JSON.stringify(value)}`);
  }
  return `${lines.join("\n")}\n`;
}

// -- images -------------------------------------------------------------------------------------------------

function take(image, name) {
  if (!image) return;
  stopCamera();
  state.image = { image, name };
  if (state.plain) URL.revokeObjectURL(state.plain);
  state.plain = URL.createObjectURL(image);
  state.answer = null;
  showPicture();
  judge();
}

async function judge() {
  if (!state.image || !state.about) return;
  const number = ++state.asked;
  const form = new FormData();
  form.append("image", state.image.image, state.image.name);
  if (isChanged()) form.append("rules", JSON.stringify(state.rules));
  at("verdict").classList.add("busy");
  try {
    const answer = await ask("/detect?overlay=inline&shapes=none", { method: "POST", body: form });
    if (number !== state.asked) return;
    state.answer = answer.images[0];
    say("");
    showVerdict(state.answer.verdict, state.answer.reason);
  } catch (error) {
    if (number !== state.asked) return;
    if (error.again) {
      state.timer = setTimeout(judge, 1000);
      return;
    }
    state.answer = null;
    showVerdict(null, error.message);
    say(error.message);
  } finally {
    if (number === state.asked) at("verdict").classList.remove("busy");
  }
  showPicture();
  showDefects();
}

function showVerdict(verdict, reason) {
  at("verdict").className = verdict ? verdict.toLowerCase() : "none";
  at("word").textContent = verdict ?? "No verdict";
  at("reason").textContent = reason;
  document.title = `${verdict ?? "–"} · AutoNAD detector`;
}

function showPicture() {
  const drawn = at("drawn").checked && state.answer?.overlay;
  const source = drawn ? `data:image/png;base64,${state.answer.overlay}` : state.plain;
  at("picture").hidden = !source || !at("camera").hidden;
  if (source) at("picture").src = source;
  else at("picture").removeAttribute("src");
  at("picture").alt = state.answer ? `${state.answer.name}: ${state.answer.verdict}, ${state.answer.reason}` : "";
  at("stage").classList.toggle("full", Boolean(source) || !at("camera").hidden);
}

function size(px, mm, unit, digits) {
  return mm === null ? `${px.toFixed(digits)} px` : `${mm} ${unit}`;
}

function showDefects() {
  const found = state.answer?.defects ?? [];
  at("defects").replaceChildren(
    ...found.map((one) => {
      const row = document.createElement("tr");
      for (const text of [
        one.verdict,
        one.class_name,
        size(one.area_px, one.area_mm2, "mm²", 0),
        size(one.length_px, one.length_mm, "mm", 1),
        size(one.width_px, one.width_mm, "mm", 1),
        `${one.mean.toFixed(2)}, peak ${one.peak.toFixed(2)}`,
        one.rule,
      ])
        row.insertCell().textContent = text;
      row.cells[0].className = one.verdict;
      return row;
    }),
  );
  at("defects").closest("table").hidden = found.length === 0;
  const count = state.answer?.defect_count ?? 0;
  at("count").textContent = state.answer ? String(count) : "";
  const small = state.answer?.too_small ?? 0;
  const none = found.length === 0 ? "No defect. " : "";
  const cut = count > found.length ? `The ${found.length} worst and largest are listed. ` : "";
  at("small").textContent = state.answer
    ? `${none}${cut}${small ? `${small} regions are too small to count.` : ""}`
    : "No image yet.";
}

// -- camera -------------------------------------------------------------------------------------------------

async function startCamera() {
  if (!navigator.mediaDevices) {
    say("browsers give a camera to pages at https:// or localhost alone; choose an image instead, or put TLS in front");
    return;
  }
  try {
    at("camera").srcObject = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment", width: { ideal: 1920 } },
    });
  } catch (error) {
    say(`the camera cannot be used (${error.message}); allow it in the browser, or choose an image`);
    return;
  }
  say("");
  forget();
  at("camera").hidden = false;
  await at("camera").play();
  at("film").textContent = "Stop camera";
  at("shoot").hidden = false;
  showPicture();
}

// A verdict beside another picture would be taken for that one's.
function forget() {
  state.asked += 1;
  state.image = state.answer = null;
  if (state.plain) URL.revokeObjectURL(state.plain);
  state.plain = null;
  at("verdict").className = "none";
  at("word").textContent = "Ready";
  at("reason").textContent = "Take a picture.";
  showDefects();
}

function stopCamera() {
  for (const track of at("camera").srcObject?.getTracks() ?? []) track.stop();
  at("camera").srcObject = null;
  at("camera").hidden = true;
  at("film").textContent = "Camera";
  at("shoot").hidden = true;
  showPicture();
}

function shoot() {
  const video = at("camera");
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((image) => take(image, "camera.png"), "image/png");
}

// -- what a person does -------------------------------------------------------------------------------------

at("file").addEventListener("change", () => {
  const [file] = at("file").files;
  take(file, file?.name);
  at("file").value = "";
});
at("drawn").addEventListener("change", showPicture);
at("film").addEventListener("click", () => (at("camera").hidden ? startCamera() : stopCamera()));
at("shoot").addEventListener("click", shoot);
at("reset").addEventListener("click", () => {
  state.rules = structuredClone(state.about.rules);
  showRules();
  judge();
});
at("download").addEventListener("click", () => {
  if (!state.rules) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([rulesYaml()], { type: "application/yaml" }));
  link.download = "rules.yaml";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", at("token").value);
  begin().then(judge);
});
for (const [type, over] of [["dragover", true], ["dragleave", false], ["drop", false]])
  document.addEventListener(type, (event) => {
    event.preventDefault();
    at("stage").classList.toggle("over", over);
    if (type === "drop") take(event.dataTransfer.files[0], event.dataTransfer.files[0]?.name);
  });

begin();
