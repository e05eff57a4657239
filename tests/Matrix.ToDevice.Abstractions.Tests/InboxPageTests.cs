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

    private sealed class Memory : IDisposable
    {
        public int TimesDisposed { get; private set; }
        public void Dispose() => TimesDisposed++;
    }
}
