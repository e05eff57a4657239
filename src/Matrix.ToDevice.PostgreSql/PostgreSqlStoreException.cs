namespace Matrix.ToDevice;

/// <summary>The PostgreSQL store cannot do something at the moment, or its database cannot be used; the message says what to mend.</summary>
public sealed class PostgreSqlStoreException : Exception
{
    /// <summary>Makes the exception.</summary>
    public PostgreSqlStoreException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
