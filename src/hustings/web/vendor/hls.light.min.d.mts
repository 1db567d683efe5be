// For the type check only: what hls_player.js uses is checked at run time by the tests in Chromium.
declare const Hls: any;
export default Hls;
