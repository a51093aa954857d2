declare module '@novnc/novnc' {
  const RFB: new (target: HTMLElement, url: string, options: object) => any
  export default RFB
}
