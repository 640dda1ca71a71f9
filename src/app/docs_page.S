/* docs_page.S - docs.html as bytes of the library */
        .section .rodata
        .globl  weir__app_docs_page
        .hidden weir__app_docs_page
        .type   weir__app_docs_page, %object
weir__app_docs_page:
        .incbin "app/docs.html"
        .globl  weir__app_docs_page_end
        .hidden weir__app_docs_page_end
weir__app_docs_page_end:
        .byte   0
        .section .note.GNU-stack, "", %progbits
