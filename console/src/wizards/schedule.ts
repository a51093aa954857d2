/** Snapshot schedules: the API's text (`MM:HH:DD`) and the sentence a person reads. */
import { t } from '../core/i18n'
import type { Row } from '../core/api'

export interface Schedule {
  interval: 'HOURLY' | 'DAILY' | 'WEEKLY' | 'MONTHLY'
  minute: number
  hour: number
  /** 1 is Sunday for weeks; the day of the month for months. */
  day: number
}
const two = (n: number) => String(n).padStart(2, '0')
export const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

/** As the API takes it. */
export function text(s: Schedule): string {
  if (s.interval === 'HOURLY') return two(s.minute)
  const time = `${two(s.minute)}:${two(s.hour)}`
  return s.interval === 'DAILY' ? time : `${time}:${s.day}`
}
const INTERVALS = ['HOURLY', 'DAILY', 'WEEKLY', 'MONTHLY']

/** A policy as a sentence. The API writes the interval as a word or as its number. */
export function scheduleInWords(policy: Row): string {
  const interval = typeof policy.intervaltype === 'number' ? INTERVALS[policy.intervaltype] : String(policy.intervaltype).toUpperCase()
  const [minute, hour, day] = String(policy.schedule).split(':')
  const time = `${hour}:${minute}`
  if (interval === 'HOURLY') return t('Every hour, {minute} minutes past', { minute })
  if (interval === 'DAILY') return t('Every day at {time}', { time })
  if (interval === 'WEEKLY') return t('Every {day} at {time}', { day: t(DAYS[Number(day) - 1] ?? String(day)), time })
  return t('On day {day} of each month at {time}', { day, time })
}
