// SPDX-License-Identifier: Apache-2.0
// look.js FOLDER (NAME URL)... -- pictures of pages at two widths, light and
// dark, and what axe-core finds in each.
const fs = require('fs');
const puppeteer = require('puppeteer-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

async function look(browser, folder, name, url, width, scheme) {
    const page = await browser.newPage();
    await page.setViewport({width, height: 900});
    await page.emulateMediaFeatures(
        [{name: 'prefers-color-scheme', value: scheme}]);
    await page.setBypassCSP(true);
    const answer = await page.goto(url);
    if (![200, 503].includes(answer.status())) throw new Error(answer.status());
    const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth > innerWidth);
    await page.screenshot({path: `${folder}/${name}-${width}-${scheme}.png`,
                           fullPage: true});
    await page.evaluate(axe);
    const found = await page.evaluate(() => axe.run());
    for (const each of found.violations) {
        console.log(`${name} ${width} ${scheme}: ${each.id}: ` +
                    `${each.help}: ${each.nodes[0].html}`);
    }
    if (overflow) {
        console.log(`${name} ${width} ${scheme}: wider than the window`);
    }
    console.log(`${name} ${width} ${scheme}: ${found.passes.length}` +
                ` rules passed, ${found.violations.length} violated`);
    await page.close();
    return found.violations.length + overflow;
}

async function main([folder, ...pages]) {
    const browser = await puppeteer.launch({
        executablePath: '/usr/bin/chromium', headless: true,
        args: ['--no-sandbox', '--disable-gpu']});
    let violations = 0;
    for (; pages.length; pages = pages.slice(2)) {
        for (const width of [1280, 390]) {
            for (const scheme of ['light', 'dark']) {
                violations += await look(browser, folder, pages[0], pages[1],
                                         width, scheme);
            }
        }
    }
    await browser.close();
    process.exit(violations ? 1 : 0);
}
main(process.argv.slice(2)).catch(error => { console.error(error); process.exit(2); });
