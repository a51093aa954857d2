/** Puts text on the clipboard; also where the page came over plain HTTP and browsers hide the clipboard's own interface. */
export async function copy(text: string): Promise<boolean> {
  try {
    if (!navigator.clipboard) throw new Error('none')
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    // Inside an open dialog nothing outside can be selected.
    const parent = document.querySelector('dialog[open]') ?? document.body
    parent.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}
