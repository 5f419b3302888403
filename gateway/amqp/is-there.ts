import type { Channel, ChannelModel } from 'amqplib'

/** Whether the broker has it. Asked on a channel of its own, which a no closes. */
export async function isThere(
  connection: ChannelModel,
  check: (channel: Channel) => Promise<unknown>,
): Promise<boolean> {
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  try {
    await check(channel)
    await channel.close()
    return true
  } catch {
    return false
  }
}
