namespace LocalHomeserver;

/// <summary>A change of keys that is under way.</summary>
/// <param name="statements">Its statements.</param>
/// <param name="position">The position that is its own if it takes it.</param>
internal sealed class KeyChange(KeyStatements statements, long position)
{
    public KeyStatements Statements => statements;

    /// <summary>Whether there is something that anybody has to be told.</summary>
    public bool IsNews { get; private set; }

    /// <summary>
    /// The position, for what clients and other servers are to be told. A change that does not take it has found everything as it
    /// ought to be: no position is used up, and nobody is woken.
    /// </summary>
    public long TakePosition()
    {
        IsNews = true;
        return position;
    }
}
