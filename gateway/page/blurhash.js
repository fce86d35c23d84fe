// Blurred pictures from blurhashes: a few cosines for each colour, written in 83 digits.

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";
const SIZE = 32; // pixels of each side: the browser smooths it when it grows

/** Return a canvas that shows the hash, or null if it is not one. */
export function blurredPicture(hash) {
  const pixels = decode(hash, SIZE, SIZE);
  if (!pixels) return null;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE;
  canvas.ariaHidden = "true";
  canvas.getContext("2d").putImageData(new ImageData(pixels, SIZE, SIZE), 0, 0);
  return canvas;
}

/** Return width × height pixels of 4 bytes: red, green, blue, opacity. Returns null for what is not a blurhash. */
export function decode(hash, width, height) {
  const digits = [...hash].map((digit) => DIGITS.indexOf(digit));
  const columns = (digits[0] % 9) + 1;
  const rows = Math.floor(digits[0] / 9) + 1;
  if (digits.includes(-1) || digits.length !== 4 + 2 * columns * rows) return null;
  const strongest = (digits[1] + 1) / 166;
  const terms = [average(numberOf(digits.slice(2, 6)))];
  for (let at = 6; at < digits.length; at += 2) terms.push(change(numberOf(digits.slice(at, at + 2)), strongest));
  const pixels = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour = [0, 0, 0];
      terms.forEach((term, index) => {
        const across = Math.cos((Math.PI * x * (index % columns)) / width);
        const down = Math.cos((Math.PI * y * Math.floor(index / columns)) / height);
        for (const part of [0, 1, 2]) colour[part] += term[part] * across * down;
      });
      pixels.set(colour.map(toByte), 4 * (y * width + x));
    }
  }
  return pixels;
}

const numberOf = (digits) => digits.reduce((sum, digit) => 83 * sum + digit, 0);

/** The average colour: a byte for each of red, green and blue. */
const average = (number) => [number >> 16, (number >> 8) & 255, number & 255].map(toLight);

/** How a cosine changes red, green and blue: 19 steps each, finer near zero. */
const change = (number, strongest) =>
  [Math.floor(number / 361), Math.floor(number / 19) % 19, number % 19]
    .map((step) => (step - 9) / 9)
    .map((part) => Math.sign(part) * part * part * strongest);

/** From a byte of sRGB to light, which adds up, and back. */
function toLight(byte) {
  const value = byte / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function toByte(light) {
  const value = Math.min(1, Math.max(0, light));
  return Math.trunc(255 * (value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055) + 0.5);
}
