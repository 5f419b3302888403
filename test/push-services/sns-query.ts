import type { Answer } from './listener.ts'

/** The AWS Query protocol: lists in a form on the way in, XML on the way out. */

export function attributesOf(form: URLSearchParams): Record<string, string> {
  return Object.fromEntries(
    numbered(form, (at) => `Attributes.entry.${at}.key`).map((at) => [
      form.get(`Attributes.entry.${at}.key`),
      form.get(`Attributes.entry.${at}.value`) ?? '',
    ]),
  )
}

export function messageAttributesOf(form: URLSearchParams): { name: string; type: string; value: string }[] {
  return numbered(form, (at) => `MessageAttributes.entry.${at}.Name`).map((at) => {
    const part = (name: string) => form.get(`MessageAttributes.entry.${at}.${name}`) ?? ''
    const value = part('Value.StringValue') || part('Value.BinaryValue')
    return { name: part('Name'), type: part('Value.DataType'), value }
  })
}

/** Entries of a list in the Query protocol are numbered from 1 without gaps. */
function numbered(form: URLSearchParams, name: (at: number) => string): number[] {
  const found: number[] = []
  while (form.has(name(found.length + 1))) found.push(found.length + 1)
  return found
}

export function tag(name: string, text: string): string {
  const escaped = text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`)
  return `<${name}>${escaped}</${name}>`
}

export function xml(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/xml' }, body }
}
