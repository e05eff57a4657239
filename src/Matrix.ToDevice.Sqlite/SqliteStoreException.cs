namespace Matrix.ToDevice;

/// <summary>The SQLite store cannot do something at the moment, or its file cannot be used; the message says what to mend.</summary>
public sealed class SqliteStoreException : Exception
{
    /// <summary>Makes the exception.</summary>
    public SqliteStoreException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
