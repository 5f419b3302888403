import { readFileSync, writeFileSync } from 'node:fs'

/** Mono 16-bit PCM. */
export interface Sound {
  rate: number
  samples: Int16Array
}

/**
 * Reads a 16-bit PCM WAV, also while it is being written: until its writer completes the header it is taken for 8 kHz mono,
 * and it is always read up to the file's end.
 */
export function readWav(path: string): Sound {
  const data = readFileSync(path)
  if (data.length < 44) return { rate: 8_000, samples: new Int16Array(0) }
  const channels = data.readUInt16LE(22) || 1
  const rate = data.readUInt32LE(24) || 8_000
  const chunk = data.indexOf('data', 36, 'latin1')
  const start = chunk < 0 ? 44 : chunk + 8
  const count = Math.max(0, Math.floor((data.length - start) / 2 / channels))
  const samples = Int16Array.from({ length: count }, (_, i) => data.readInt16LE(start + i * 2 * channels))
  return { rate, samples }
}

/** Writes a sine of `hz`, mono, 16 bit. */
export function writeTone(path: string, hz: number, seconds: number, rate = 8_000): void {
  const count = seconds * rate
  const file = Buffer.alloc(44 + count * 2)
  file.write('RIFF', 0, 'latin1')
  file.writeUInt32LE(36 + count * 2, 4)
  file.write('WAVEfmt ', 8, 'latin1')
  file.writeUInt32LE(16, 16)
  file.writeUInt16LE(1, 20)
  file.writeUInt16LE(1, 22)
  file.writeUInt32LE(rate, 24)
  file.writeUInt32LE(rate * 2, 28)
  file.writeUInt16LE(2, 32)
  file.writeUInt16LE(16, 34)
  file.write('data', 36, 'latin1')
  file.writeUInt32LE(count * 2, 40)
  for (let i = 0; i < count; i++)
    file.writeInt16LE(Math.round(12_000 * Math.sin((2 * Math.PI * hz * i) / rate)), 44 + i * 2)
  writeFileSync(path, file)
}

/**
 * Seconds of the recording in which a tone of `hz` holds at least half of the energy (Goertzel, windows of 100 ms).
 * Silence and other tones count nothing.
 */
export function secondsOf(hz: number, sound: Sound): number {
  const size = sound.rate / 10
  let windows = 0
  for (let start = 0; start + size <= sound.samples.length; start += size) {
    if (shareOf(hz, sound.samples.subarray(start, start + size), sound.rate) > 0.5) windows += 1
  }
  return windows / 10
}

function shareOf(hz: number, samples: Int16Array, rate: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / rate)
  let before = 0
  let last = 0
  let energy = 0
  for (const sample of samples) {
    const next = sample + coefficient * last - before
    before = last
    last = next
    energy += sample * sample
  }
  if (energy < samples.length * 100 * 100) return 0
  const power = last * last + before * before - coefficient * last * before
  return (2 * power) / (energy * samples.length)
}
