// What the scenarios do more than once.
export const at = async (page, base, path) => {
  await page.goto(`${base}/client/#${path}`)
  await page.waitForSelector('main h1')
}
export const check = (ok, text) => {
  if (!ok) throw new Error(text)
}
/** Fills a dialog's fields by parameter name and sends it. */
export async function fill(page, values) {
  await page.waitForSelector('dialog form')
  for (const [name, value] of Object.entries(values)) {
    const field = page.locator(`dialog #f-${name}`)
    await field.waitFor()
    if ((await field.evaluate((e) => e.tagName)) === 'SELECT') {
      await page.waitForFunction(([n, v]) => [...document.querySelectorAll(`dialog #f-${n} option`)].some((o) => o.textContent.trim() === v || o.value === v || o.textContent.includes(v)), [name, value])
      const found = await field.evaluate((e, v) => [...e.options].find((o) => o.textContent.trim() === v || o.value === v || o.textContent.includes(v)).index, value)
      await field.selectOption({ index: found })
    } else await field.fill(String(value))
  }
  await page.click('dialog footer button[type=submit]')
}
export const closed = (page) => page.waitForSelector('dialog', { state: 'detached' })
/** Clicks a button or tab by its text within the main part. */
export const press = (page, text) => page.locator(`main button:text-is("${text}"), main a:text-is("${text}")`).first().click()
export const rowOf = (page, text) => page.locator('main table tbody tr', { hasText: text }).first()

/** From the list of instances through the wizard to a running instance. */
export async function launch(page, base, name, offering = 'Small Instance') {
  await at(page, base, '/instances')
  await press(page, 'New instance')
  const next = () => page.click('.wizard footer button[type=submit]')
  await page.waitForSelector('.option.on') // the only zone is chosen
  await next()
  await page.waitForSelector('text=Start from which template?')
  await page.locator('.option', { hasText: 'CentOS' }).first().click()
  await next()
  await page.locator('.option', { hasText: offering }).first().click()
  await next()
  await next() // no data disk
  await next() // default security group
  await page.fill('#name', name)
  await next()
  await page.waitForSelector('.review')
  await page.click('button:text-is("Launch")')
}
