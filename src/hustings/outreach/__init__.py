"""What leaves a room for other programs: calendar files, QR codes. Pure: values in, bytes out."""
