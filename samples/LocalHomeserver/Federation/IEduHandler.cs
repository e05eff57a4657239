namespace LocalHomeserver;

/// <summary>Takes what other servers send of one type, beside to-device messages.</summary>
internal interface IEduHandler
{
    /// <summary>The <c>edu_type</c> that it is for.</summary>
    string EduType { get; }

    /// <summary>
    /// Takes one EDU, perhaps not for the first time. What throws because of the content passes it over; a failure of the store fails
    /// the transaction, so that the origin sends all of it again.
    /// </summary>
    /// <param name="origin">The server that has signed it.</param>
    /// <param name="content">Its content, JSON of any form and depth; empty when it has none.</param>
    /// <param name="cancellationToken">Cancelled when the origin has gone.</param>
    ValueTask ReceiveAsync(string origin, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);
}
