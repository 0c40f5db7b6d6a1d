/** Reads lists that come in pages. */

export type Page<Item> = { items: Item[]; nextPageToken: string };

/** The most that a page can have by the contract. */
const maxPageSize = 1_000;

/** At most `limit` items, and whether there are more. */
export async function readPages<Item>(
  limit: number,
  read: (pageSize: number, pageToken: string) => Promise<Page<Item>>,
): Promise<{ items: Item[]; more: boolean }> {
  const items: Item[] = [];
  let pageToken = '';
  do {
    const page = await read(Math.min(maxPageSize, limit - items.length), pageToken);
    items.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== '' && items.length < limit);
  return { items, more: pageToken !== '' };
}
