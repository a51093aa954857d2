import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'
import type { Plugin } from 'vite'

/** Where the build goes: `dist` itself holds a committed .gitignore, so that the folder always exists for the Rust build. */
const out = 'dist/app'

/** Writes x.br and x.gz beside each text asset: the server sends them as they lie there. */
function compressed(): Plugin {
  const each = (folder: string): string[] =>
    readdirSync(folder).flatMap((n) => (statSync(join(folder, n)).isDirectory() ? each(join(folder, n)) : [join(folder, n)]))
  return {
    name: 'compressed',
    apply: 'build',
    closeBundle() {
      for (const file of each(out)) {
        if (!/\.(js|css|html|svg|json)$/.test(file) || file.endsWith('theme.json')) continue
        const bytes = readFileSync(file)
        writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }))
        writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
      }
    },
  }
}

export default defineConfig({
  base: '/client/',
  plugins: [vue(), compressed()],
  build: { outDir: out, emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: 'es2022' },
  server: { proxy: { '/client/api': 'http://127.0.0.1:8080', '/client/console': { target: 'http://127.0.0.1:8080', ws: true } } },
  test: { environment: 'happy-dom', include: ['tests/unit/**/*.test.ts'] },
})
