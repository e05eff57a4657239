namespace Matrix.ToDevice.Tests;

public class InboxPageTests
{
    [Test]
    public void A_page_gives_its_memory_back_once()
    {
        var memory = new Memory();
        var page = new InboxPage([], hasMore: false, memory);

        page.Dispose();
        page.Dispose();

        Assert.That(memory.TimesDisposed, Is.EqualTo(1));
    }

    [Test]
    public void A_page_that_was_disposed_shows_no_messages()
    {
        var page = new InboxPage([new InboxMessage(new InboxPosition(1, 1), "@alice:hs1", "m.test", new byte[2])], hasMore: true);
        Assert.That(page.Messages, Has.Count.EqualTo(1));

        page.Dispose();

        Assert.That(() => page.Messages, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(page.HasMore, Is.True);
    }

    [Test]
    public void The_empty_page_can_be_disposed_by_everybody()
    {
        InboxPage.Empty.Dispose();

        Assert.That(InboxPage.Empty.Messages, Is.Empty);
    }

    private sealed class Memory : IDisposable
    {
        public int TimesDisposed { get; private set; }
        public void Dispose() => TimesDisposed++;
    }
}
