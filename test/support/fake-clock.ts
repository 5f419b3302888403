/** The clock of the testing kit, for tests of everything else. */
export { CountingIds, settled, VirtualClock as FakeClock } from '../../functions/testing/virtual-clock.ts'
